use super::*;

fn file(mime: &str) -> File {
    File {
        bytes: Vec::new(),
        mime: mime.to_owned(),
        text: None,
    }
}

#[test]
fn content_file_has_safe_path() {
    let folder = std::env::temp_dir();
    let png = file("image/png");
    let into = |path: &Path, number| file_path(path, "draw/../it", &png, number);
    assert_eq!(into(Path::new("a/b.png"), None), Path::new("a/b.png"));
    assert_eq!(into(Path::new("a/b.png"), Some(2)), Path::new("a/b-2.png"));
    assert_eq!(into(Path::new("b"), Some(2)), Path::new("b-2"));
    assert_eq!(into(&folder, None), folder.join("draw____it.png"));
    assert_eq!(
        into(Path::new("new/"), Some(1)),
        Path::new("new/draw____it-1.png")
    );
}

#[test]
fn size_has_unit() {
    for (bytes, words) in [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (12_345, "12.3 kB"),
        (2_000_000, "2.0 MB"),
    ] {
        assert_eq!(size(bytes), words);
    }
}

#[test]
fn content_block_becomes_content() {
    let image = ContentBlock::image("aGk=", "image/png");
    assert_eq!(
        Content::from_block(&image),
        Content::File(File {
            bytes: b"hi".to_vec(),
            mime: "image/png".to_owned(),
            text: None
        })
    );
    let broken = ContentBlock::image("%", "image/png");
    assert!(
        matches!(Content::from_block(&broken), Content::About(what) if what.contains("no base64"))
    );
}
