# podkeeperd on Debian 12: built in the first stage, alone with its libraries in the second.
#
#   docker build --build-arg VERSION=0.1.0 --build-arg COMMIT="$(git rev-parse HEAD)" \
#     -t podkeeper:0.1.0 .
#
# tests/image/run builds it without a container engine and starts what it built.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
WORKDIR /src
COPY scripts/lib.sh scripts/setup scripts/
RUN apt-get update && scripts/setup build && rm -rf /var/lib/apt/lists/*
COPY CMakeLists.txt CMakePresets.json ./
COPY scripts/cmake scripts/cmake
COPY config/crd config/crd
COPY pkg pkg
COPY daemon daemon
# dev is built faster, for a test of the image.
ARG PRESET=release
ARG COMMIT=unknown
RUN cmake --preset "${PRESET}" -DPK_BUILD_TESTS=OFF -DPK_COMMIT="${COMMIT}" \
 && cmake --build --preset "${PRESET}" --target podkeeperd \
 && install -D -s "build/${PRESET}/daemon/podkeeperd" /out/podkeeperd

FROM ${BASE}
# What the program is linked with; the test of the image finds one that is missing.
RUN apt-get update \
 && apt-get install -y --no-install-recommends libfmt9 libprometheus-cpp-core1.0 libsimdjson14 \
      libspdlog1.10 libssl3 libstdc++6 libxxhash0 libyaml-cpp0.7 zlib1g \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* \
 && useradd --uid 65532 --user-group --no-create-home --home-dir /nonexistent \
      --shell /usr/sbin/nologin podkeeper
COPY --from=build /out/podkeeperd /usr/local/bin/podkeeperd
COPY LICENSE /usr/share/doc/podkeeper/LICENSE
ARG VERSION=0.1.0
ARG COMMIT=unknown
LABEL org.opencontainers.image.title="podkeeper" \
      org.opencontainers.image.description="A read replica of Kubernetes cluster state." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}"
# A number, so that a kubelet can tell that it is not root.
USER 65532:65532
EXPOSE 8080 8081
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s --retries=3 \
  CMD ["/usr/local/bin/podkeeperd", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/podkeeperd"]
