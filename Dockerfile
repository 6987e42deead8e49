# The operator's image: one static binary, no shell, no user database. `make image` builds the binary:
#   RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --target x86_64-unknown-linux-gnu
# For a Prometheus behind https, mount CA certificates and name them in SSL_CERT_FILE.
FROM scratch
COPY target/x86_64-unknown-linux-gnu/release/model-release-operator /model-release-operator
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/model-release-operator"]
