//! Every gateway that can be run here.

use crate::common::gateway::Gateway;
use crate::common::skip;

/// The program of a newer gateway, if there is one: `PUSHGATEWAY_NEW`.
pub fn newer() -> Option<String> {
    let path = std::env::var("PUSHGATEWAY_NEW").ok().filter(|path| !path.is_empty());
    if path.is_none() {
        skip("a newer gateway (make gateways, or PUSHGATEWAY_NEW=/path)", false);
    }
    path
}

/// The one that Debian installs.
pub fn installed() -> Option<Gateway> {
    Gateway::start()
}

/// The newer one, with the routing that Debian builds it with.
pub fn newer_own_routing() -> Option<Gateway> {
    newer().map(|binary| Gateway::start_other(&binary, &[]))
}

/// The newer one, with the routing that its makers build it with.
pub fn newer_new_routing() -> Option<Gateway> {
    newer().map(|binary| Gateway::start_other(&binary, &[("GODEBUG", "httpmuxgo121=0,httplaxcontentlength=0")]))
}

/// What a gateway says of its version.
pub fn version(gateway: &Gateway) -> String {
    let status = crate::common::http::Request::get("/api/v1/status").send(gateway.address).is(200, "", "the status");
    status.json()["data"]["build_information"]["version"].as_str().unwrap_or("unknown").to_owned()
}

/// One test for each gateway that can be run here, with each of its routings: `$run(&gateway, "its routing")`.
#[allow(unused_macros, reason = "each test binary uses its own part")]
macro_rules! on_every_gateway {
    ($run:path) => {
        #[test]
        fn on_the_installed_gateway() {
            gateways::installed().iter().for_each(|gateway| $run(gateway, "its own routing"));
        }

        #[test]
        fn on_the_newer_gateway() {
            gateways::newer_own_routing().iter().for_each(|gateway| $run(gateway, "its own routing"));
        }

        #[test]
        fn on_the_newer_gateway_with_the_new_routing() {
            gateways::newer_new_routing().iter().for_each(|gateway| $run(gateway, "the new routing"));
        }
    };
}
#[allow(unused_imports, reason = "each test binary uses its own part")]
pub(crate) use on_every_gateway;
