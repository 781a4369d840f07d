use super::*;

fn setting(host: &str, port: Option<u16>, path: &str) -> CallbackSetting {
    CallbackSetting {
        host: host.to_owned(),
        port,
        path: path.to_owned(),
    }
}

fn address(host: &str, port: Option<u16>, path: &str) -> CallbackAddress {
    CallbackAddress::from_setting(&setting(host, port, path)).unwrap()
}

#[test]
fn callback_setting_without_loopback_host_and_path_is_refused() {
    let check = |host: &str, port, path: &str, text: &str| {
        let error = CallbackAddress::from_setting(&setting(host, port, path)).unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
    };
    check("0.0.0.0", None, "/callback", "the callback host `0.0.0.0`");
    check("example.com", None, "/callback", "the callback host");
    check("127.0.0.1", None, "callback", "the callback path");
    check("127.0.0.1", None, "", "the callback path");
    check("127.0.0.1", None, "/a b", "the callback path");
    check("127.0.0.1", None, "/a?b", "the callback path");
    check("127.0.0.1", None, "/a#b", "the callback path");
    check("127.0.0.1", None, "/a/../b", "the callback path");
    check("127.0.0.1", Some(0), "/callback", "port 0");
    address("[::1]", None, "/");
    address("localhost", Some(3118), "/oauth/callback");
}

#[test]
fn registered_redirect_uri_is_reused_only_unchanged() {
    let check = |uri: &str, configured: &CallbackAddress, expected: bool| {
        let serves =
            CallbackAddress::from_redirect_uri(uri).is_some_and(|it| it.matches(configured));
        assert_eq!(serves, expected, "{uri} for {configured:?}");
    };
    let ephemeral = address("127.0.0.1", None, "/callback");
    let fixed = address("127.0.0.1", Some(3118), "/callback");
    check("http://127.0.0.1:40123/callback", &ephemeral, true);
    check("http://127.0.0.1:40123/callback", &fixed, false);
    check("http://127.0.0.1:3118/callback", &fixed, true);
    check("http://127.0.0.1:40123/other", &ephemeral, false);
    check("http://localhost:40123/callback", &ephemeral, false);
    check("http://[::1]:40123/callback", &ephemeral, false);
    check("https://127.0.0.1:40123/callback", &ephemeral, false);
    check("http://127.0.0.1:40123/callback?x=y", &ephemeral, false);
    check("http://127.0.0.2:40123/callback", &ephemeral, false);
    check("com.example:/callback", &ephemeral, false);
}

#[tokio::test]
async fn localhost_is_bound_on_both_addresses_with_one_port() {
    let bound = address("localhost", None, "/callback")
        .bind()
        .await
        .unwrap();
    let ports: Vec<u16> = bound
        .sockets
        .iter()
        .map(|socket| socket.local_addr().unwrap().port())
        .collect();
    assert!(ports.iter().all(|port| *port == bound.port), "{ports:?}");
    assert_eq!(
        bound.redirect_uri,
        format!("http://localhost:{}/callback", bound.port)
    );
    let has_v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.is_ok();
    assert_eq!(ports.len(), if has_v6 { 2 } else { 1 });
}

#[tokio::test]
async fn taken_port_is_an_error_and_not_replaced() {
    let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = holder.local_addr().unwrap().port();
    for host in ["127.0.0.1", "localhost"] {
        let error = address(host, Some(port), "/callback")
            .bind()
            .await
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{host}");
    }
}

#[tokio::test]
async fn localhost_port_taken_on_one_address_is_an_error() {
    let Ok(holder) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await else {
        return; // This machine has no IPv6, so no program can listen there.
    };
    let port = holder.local_addr().unwrap().port();
    let error = address("localhost", Some(port), "/callback")
        .bind()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
}
