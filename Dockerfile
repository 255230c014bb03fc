# syntax=docker/dockerfile:1
# The image of one of the programs, by name; `make images` builds those of the chart.
#
#   docker buildx build --build-arg PROGRAM=carbon-kube-extender --tag carbon-kube-extender .
#
# The program is linked statically against glibc, so that nothing else has to be in the image but
# certificates of authorities, time zones and the user `nonroot` (65532). Its dependencies are listed inside of
# it (cargo-auditable): `syft`, `trivy` and `grype` read that list.
ARG RUST=1.95.0

# On the machine's own platform, for both: a cross compiler is many times as fast as an emulator.
FROM --platform=$BUILDPLATFORM rust:${RUST}-slim-bookworm AS toolchain
ARG RUST
# rust-toolchain.toml would fetch components that nothing here needs.
# Line tables are three quarters of a program, and nobody debugs in a container.
ENV RUSTUP_TOOLCHAIN=${RUST} \
    CARGO_PROFILE_RELEASE_STRIP=debuginfo \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
    CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER=x86_64-linux-gnu-gcc \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-C target-feature=+crt-static" \
    CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-C target-feature=+crt-static"
# A cross compiler for the other architecture only: Debian has none for its own, whose compiler is in the image
# and answers to the same name. Debian keeps one version of each at a time, so a pinned one would break with
# the next point release.
# hadolint ignore=DL3008,SC2086
RUN case "$(dpkg --print-architecture)" in \
        amd64) other="gcc-aarch64-linux-gnu libc6-dev-arm64-cross" ;; \
        arm64) other="gcc-x86-64-linux-gnu libc6-dev-amd64-cross" ;; \
        *) echo "no toolchain for $(dpkg --print-architecture)" >&2; exit 1 ;; \
    esac \
    && apt-get update \
    && apt-get install --yes --no-install-recommends $other \
    && rm -rf /var/lib/apt/lists/* \
    && rustup target add aarch64-unknown-linux-gnu x86_64-unknown-linux-gnu \
    && cargo install --locked cargo-chef@0.1.78 cargo-auditable@0.7.7
WORKDIR /src

# What the dependencies follow from, apart from the code: that layer is built once per Cargo.lock.
FROM toolchain AS recipe
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM toolchain AS build
ARG PROGRAM
ARG TARGETARCH
RUN case "$TARGETARCH" in \
        amd64) echo x86_64-unknown-linux-gnu ;; \
        arm64) echo aarch64-unknown-linux-gnu ;; \
        *) echo "no image for $TARGETARCH" >&2; exit 1 ;; \
    esac > /target
COPY --from=recipe /src/recipe.json recipe.json
RUN cargo chef cook --locked --release --target "$(cat /target)" --package "$PROGRAM" --recipe-path recipe.json
COPY . .
RUN cargo auditable build --locked --release --target "$(cat /target)" --package "$PROGRAM" \
    && install -D "target/$(cat /target)/release/$PROGRAM" "/image/usr/local/bin/$PROGRAM" \
    && install -D -m 644 LICENSE /image/LICENSE \
    && ln -s "/usr/local/bin/$PROGRAM" /image/entrypoint

FROM gcr.io/distroless/static-debian12:nonroot
ARG PROGRAM
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="${PROGRAM}" \
    org.opencontainers.image.description="Carbon-Kube: carbon-aware scheduling" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.vendor="Carbon-Kube" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image/ /
# By number: Kubernetes can't see that a name isn't root's.
USER 65532:65532
ENTRYPOINT ["/entrypoint"]
