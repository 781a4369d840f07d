use super::*;

#[test]
fn the_difference_is_told_by_lines() {
    let host = "//! A host.\nasync fn main() {\n    one();\n    two();\n}\nfn other() {}\n";
    let client = "//! A client.\nasync fn main() {\n    let it = read();\n        two();\n}\n";
    let told = difference(&body(host), &body(client));
    assert_eq!(told, ["  -     one();", "  +     let it = read();"]);
}
