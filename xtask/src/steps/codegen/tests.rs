use super::*;

#[test]
fn the_commands_of_a_help_text() {
    let help = "A program\n\nUsage: hallpass\n\nCommands:\n  login   Sign in\n          by a browser\n  \
        logout  Sign out\n  help    Print this\n\nOptions:\n  -h, --help  Print help\n";
    assert_eq!(commands::commands(help), ["login", "logout"]);
    assert_eq!(commands::commands("Options:\n  -h"), [""; 0]);
}

#[test]
fn the_variables_of_a_source() {
    let text = "self.get(\"HOME\"); below(\"XDG_DATA_HOME\", x); map.get(\"error\"); it.get(name)";
    assert_eq!(environment::variables(text), ["HOME", "XDG_DATA_HOME"]);
}

#[test]
fn each_variable_has_a_row() {
    let text = environment::render();
    assert!(text.contains("\n| `HALLPASS_HOME` | the folder"));
    let rows = text.lines().filter(|line| line.starts_with("| `")).count();
    assert!(rows >= 12);
}
