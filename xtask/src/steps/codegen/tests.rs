use super::*;

#[test]
fn the_commands_of_a_help_text() {
    let help = "A program\n\nUsage: hallpass\n\nCommands:\n  login   Sign in\n          by a browser\n  \
        logout  Sign out\n  help    Print this\n\nOptions:\n  -h, --help  Print help\n";
    assert_eq!(commands::commands(help), ["login", "logout"]);
    assert_eq!(commands::commands("Options:\n  -h"), [""; 0]);
}

#[test]
fn the_server_options_of_a_help_text() {
    let help = "Options:\n      --replace\n          No\n\nServer options:\n      \
        --scope <SCOPES>\n          The scopes\n\n      --dpop[=<BOOL>]\n          Bind\n          \n          \
        [possible values: true, false]\n\n      --method <M>\n          How\n\n          Possible \
        values:\n          - none: Nothing\n          - basic: A header\n";
    let about = |text: &str| text.to_owned();
    assert_eq!(
        configuration::options(help),
        [
            ("scope", "text", about("The scopes")),
            ("dpop", "`true` or `false`", about("Bind")),
            ("method", "text", about("How. One of `none`, `basic`")),
        ]
    );
}

#[test]
fn a_help_text_without_what_is_said_elsewhere() {
    let text = "A command\n\nUsage: x\n\nArguments:\n  <URL>\n          Where\n\nOptions:\n      \
        --mine\n          Mine\n\n  -v, --verbose...\n          More\n\n          Possible values:\n          \
        - a: b\n\nServer options:\n      --scope <S>\n          Scopes\n\n      --own\n          Own\n\nThe end\n";
    let help = help::Help::read(text);
    let section = |name: &str| help.section(name).unwrap();
    assert_eq!(section("Options").options.len(), 2);
    assert_eq!(section("Server options").options.len(), 2);
    let verbose = section("Options").options[1].clone();
    assert!(verbose.ends_with("- a: b"), "{verbose}");
    let shared = |heading, options: &[&str]| help::Section {
        heading,
        options: options.iter().map(|&option| option.to_owned()).collect(),
    };
    let common = shared("Options", &[&verbose]);
    let server = shared("Server options", &["      --scope <S>\n          Scopes"]);
    assert_eq!(
        help.without(&[&common, &server]),
        "A command\n\nUsage: x\n\nArguments:\n  <URL>\n          Where\n\nThe end\n\nOptions:\n      \
         --mine\n          Mine\n\nServer options:\n      --own\n          Own"
    );
    let mine = shared("Options", &["      --mine\n          Mine"]);
    let rest = help.without(&[&common, &mine, &server]);
    assert!(!rest.contains("\nOptions:"), "{rest}");
}

#[test]
fn the_variables_of_a_source() {
    let text = "self.get(\"HOME\"); below(\"XDG_DATA_HOME\", x); map.get(\"error\"); it.get(name)";
    assert_eq!(environment::variables(text), ["HOME", "XDG_DATA_HOME"]);
}

#[test]
fn each_variable_has_a_row() {
    let text = environment::render();
    assert!(text.contains("\n| `SSL_CERT_FILE` | "));
    assert!(text.contains("\n| `HALLPASS_HOME` | the folder"));
    let rows = text.lines().filter(|line| line.starts_with("| `")).count();
    assert!(rows >= 12);
}

#[test]
fn each_code_has_a_row() {
    let program = "    fn name(self) -> &'static str {\n        match self {\n            \
        Self::Usage => \"usage\",\n            Self::Network => \"network\",\n        }\n    }\n\
        \n    fn other() { x => \"other\" }\n";
    let tree = |page: &str| {
        let files = [
            ("crates/hallpass-cli/src/exit.rs", program),
            ("docs/troubleshooting.md", page),
        ];
        let files = files.map(|(path, text)| (path.to_owned(), text.to_owned()));
        Tree {
            files: files.into(),
        }
    };
    let both = "| `usage` | 2 | x |\n| `network` | 5 | y |\n";
    assert_eq!(codes::check(&tree(both)), []);
    let found = codes::check(&tree("| `usage` | 2 | x |\nthe `network`\n"));
    assert_eq!(found[0].what, "the code `network` has no row");
    assert_eq!(found.len(), 1);
}

#[test]
fn the_host_is_the_example_without_its_arguments_and_its_end() {
    let example = "async fn main() {\n    let url = arguments();\n\n    let store = open();\n    \
        if store {\n        go();\n    }\n    Ok(())\n}\n";
    let expected = "let store = open();\nif store {\n    go();\n}\n";
    assert_eq!(host::body(example), expected);
}
