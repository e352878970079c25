//! Settings by CONFIG GET.

use testkit::Server;

/// The value of a setting.
#[track_caller]
pub fn setting(server: &Server, name: &str) -> String {
    let pair: Vec<String> = server.run(&["CONFIG", "GET", name]);
    assert_eq!(
        pair.len(),
        2,
        "CONFIG GET {name} is not one setting: {pair:?}"
    );
    pair[1].clone()
}
