# The CPU binary in a small image:
#
#   docker build --tag aelectra .
#   docker run --rm aelectra demo --no-dashboard --out /tmp/demo
#   docker run --rm --interactive --tty --volume "$PWD":/data --volume aelectra-models:/models aelectra doctor
#
# Models from the hub are kept in /models, the working directory is /data.
FROM rust:1.95-slim-bookworm AS build
# What a C compiler for zstd, mimalloc and ring needs; the versions are the distribution's.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# What runs record as the commit of their program: --build-arg AELECTRA_GIT_COMMIT="$(git rev-parse HEAD)".
ARG AELECTRA_GIT_COMMIT
RUN cargo build --release --locked -p aelectra-train

FROM debian:bookworm-slim
RUN useradd --create-home --uid 1000 aelectra \
    && mkdir /data /models \
    && chown aelectra /data /models
COPY --from=build /src/target/release/aelectra /usr/local/bin/aelectra
USER 1000
ENV HF_HOME=/models
WORKDIR /data
VOLUME ["/data", "/models"]
ENTRYPOINT ["aelectra"]
CMD ["--help"]
