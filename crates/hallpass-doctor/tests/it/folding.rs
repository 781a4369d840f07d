//! Long lines are folded, and nothing is lost by it.

use hallpass_doctor::Style;

use crate::fixture::Fixture;

#[tokio::test]
async fn report_lines_fold_at_the_given_width() {
    let fixture = Fixture::signed_in().await;
    fixture.issuer.expire_access_tokens();
    let report = fixture.doctor().diagnose().await;
    let words = |width| {
        report.to_text(&Style {
            width,
            hint: &|hint| hint.to_string(),
            paint: &|_, line| line.to_owned(),
        })
    };
    let whole: Vec<String> = words(usize::MAX)
        .split_whitespace()
        .map(Into::into)
        .collect();
    for width in [40, 60, 100] {
        let folded = words(width);
        let split = folded.lines().flat_map(|line| {
            let line = line.trim_start();
            line.strip_prefix("| ").unwrap_or(line).split(' ')
        });
        let split: Vec<String> = split.filter(|it| !it.is_empty()).map(Into::into).collect();
        assert_eq!(split, whole, "{width}");
        for line in folded.lines() {
            // A word that is too long stands alone, and a command is one line.
            let words = line
                .trim_start()
                .trim_start_matches("| ")
                .split(' ')
                .count();
            assert!(
                line.chars().count() <= width || words <= 1 || line.contains("hint: set "),
                "{width}: {line}"
            );
        }
    }
}
