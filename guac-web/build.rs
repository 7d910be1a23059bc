//! Rebuilds when the web application was built anew: new files are not seen by the compiler by themselves.

fn main() {
    println!("cargo::rerun-if-changed=../web/dist");
}
