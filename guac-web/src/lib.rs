//! Login, REST API, tunnel endpoints and the web application's files.
