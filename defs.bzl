"""One macro for every crate of the workspace.

It declares what Cargo finds by convention: the library with its unit tests, the binaries, and one
test for each integration-test file. `cargo xtask bazel --write` renders the calls.
"""

load("@crates//:defs.bzl", "aliases", "all_crate_deps")
load("@rules_rust//rust:defs.bzl", "rust_binary", "rust_library", "rust_test")

def hallpass_crate(name, version, library = True, binaries = {}, tests = {}):
    """Declares one crate.

    Args:
        name: the crate's folder, which is its package's name and its library target's.
        version: the package's version.
        library: whether it has a library.
        binaries: the root file of each binary, by name.
        tests: the root file of each integration test, by name.
    """
    crate_name = name.replace("-", "_")
    sources = native.glob(["src/**/*.rs"])
    texts = native.glob(["README.md", "src/**"], exclude = ["**/*.rs"], allow_empty = True)
    own = []

    if library:
        rust_library(
            name = name,
            srcs = [source for source in sources if source not in binaries.values()],
            aliases = aliases(),
            compile_data = texts,
            crate_name = crate_name,
            version = version,
            visibility = ["//visibility:public"],
            deps = all_crate_deps(normal = True),
        )
        rust_test(
            name = name + "-unit",
            aliases = aliases(),
            compile_data = texts,
            crate = name,
            version = version,
            deps = all_crate_deps(normal = True, normal_dev = True),
        )
        own = [name]

    for binary, root in binaries.items():
        rust_binary(
            name = binary,
            srcs = sources,
            aliases = aliases(),
            compile_data = texts,
            crate_name = binary.replace("-", "_"),
            crate_root = root,
            version = version,
            visibility = ["//visibility:public"],
            deps = all_crate_deps(normal = True) + own,
        )
        rust_test(
            name = binary + "-unit",
            aliases = aliases(),
            compile_data = texts,
            crate = binary,
            version = version,
            deps = all_crate_deps(normal = True, normal_dev = True) + own,
        )

    for test, root in tests.items():
        files = native.glob(["tests/**"], exclude = ["**/*.rs"], allow_empty = True)

        # The documents are compared with what a program says.
        files = files + (["//:docs"] if binaries else [])
        rust_test(
            name = "%s-%s" % (name, test),
            srcs = native.glob(["tests/**/*.rs"]),
            aliases = aliases(),
            compile_data = files,
            crate_name = test,
            crate_root = root,
            data = files + binaries.keys(),
            # Where a test finds these when it runs, in the root of its runfiles.
            rustc_env = {
                "CARGO_MANIFEST_DIR": native.package_name(),
                "CARGO_TARGET_TMPDIR": "tmp",
            } | {
                "CARGO_BIN_EXE_" + binary: "$(rootpath :%s)" % binary
                for binary in binaries
            },
            version = version,
            deps = all_crate_deps(normal = True, normal_dev = True) + own,
        )
