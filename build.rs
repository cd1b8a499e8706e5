//! Sets the link flags a Node.js addon needs; does nothing for a plain Rust build.

fn main() {
    if std::env::var_os("CARGO_FEATURE_BINDING").is_none() {
        return;
    }
    napi_build::setup();
    // Driver threads may outlive the worker that loaded the addon, so its code must stay mapped.
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
