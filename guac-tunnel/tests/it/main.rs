//! The tunnel's public interface against a scripted session host.

#![expect(clippy::unwrap_used, reason = "helpers of tests are not tests themselves to the linter")]

mod examples;
mod guacd;
mod http;
mod intercept;
mod support;
mod tcp;
mod websocket;
