//! What a host that takes this crate alone gets with it.

use std::process::Command;

#[test]
fn neither_runtime_nor_http_client() {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let tree = Command::new(cargo)
        .args(["tree", "--offline", "--edges=normal", "--target=all"])
        .args(["--prefix=none", "--package=hallpass-discovery"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        tree.status.success(),
        "{}",
        String::from_utf8_lossy(&tree.stderr)
    );
    let tree = String::from_utf8(tree.stdout).unwrap();
    let names: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(names.contains(&"hallpass-core") && names.contains(&"http"));
    for foreign in ["tokio", "reqwest", "hyper", "rustls", "rmcp"] {
        assert!(!names.contains(&foreign), "{foreign} is in\n{tree}");
    }
}
