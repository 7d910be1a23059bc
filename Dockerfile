# guacd-lite in a container: `docker build --tag guacd-lite .`; packaging/README.md tells how to run it.

FROM node:22-bookworm-slim AS web
WORKDIR /source/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --no-fund --no-audit
COPY web ./
RUN npm run build

FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
COPY --from=web /source/web/dist web/dist
RUN cargo build --release --locked --package guacd-lite \
    && install -d -m 0700 /state

# glibc, because the same build is what all tests run.
FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /source/target/release/guacd-lite /usr/bin/guacd-lite
COPY LICENSE /usr/share/doc/guacd-lite/
# A number, so that Kubernetes' runAsNonRoot can tell.
COPY --from=build --chown=65532:65532 /state /var/lib/guacd-lite
USER 65532:65532
ENV GUACD_LITE_DATA_DIR=/var/lib/guacd-lite \
    GUACD_LITE_WEB_LISTEN=0.0.0.0:8080
VOLUME /var/lib/guacd-lite
EXPOSE 8080
# Put TLS in front, or mount a certificate and set GUACD_LITE_WEB_TLS_CERTIFICATE_FILE and ..._KEY_FILE.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["guacd-lite", "health"]
# A drain takes drain_timeout_s; `docker stop --time` must be longer.
STOPSIGNAL SIGTERM
ENTRYPOINT ["guacd-lite"]
CMD ["serve"]
