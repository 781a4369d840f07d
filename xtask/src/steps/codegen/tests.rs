use super::*;

#[test]
fn the_commands_of_a_help_text() {
    let help = "A program\n\nUsage: hallpass\n\nCommands:\n  login   Sign in\n          by a browser\n  \
        logout  Sign out\n  help    Print this\n\nOptions:\n  -h, --help  Print help\n";
    assert_eq!(commands(help), ["login", "logout"]);
    assert_eq!(commands("Options:\n  -h"), [""; 0]);
}
