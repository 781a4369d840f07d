use super::*;

#[test]
fn imported_name_is_made_valid() {
    for (there, here) in [
        ("github", Some("github")),
        ("My Server", Some("My-Server")),
        ("@scope/server", Some("scope-server")),
        (" a.b_c ", Some("a.b_c")),
        ("日本", None),
        ("", None),
    ] {
        assert_eq!(name(there).as_deref(), here, "{there}");
    }
}
