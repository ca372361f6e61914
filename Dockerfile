# opensandbox in a container. `docker compose up --build` is the short way. The targets:
#
#	docker build .			the server, and the tools that commands find in their sandboxes
#	docker build --target static .	the binary and a small tree for sandboxes, nothing else
#
# More tools: docker build --build-arg PACKAGES="python3 nodejs" .
# The server wants a token (OPENSANDBOX_TOKEN, or serve --token-file FILE) unless it is told --no-token.
# What its container must be allowed: see docker-compose.yml.

FROM debian:bookworm-slim AS build
RUN apt-get update \
	&& DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
		gcc linux-libc-dev make musl-tools \
	&& rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Makefile *.c *.h *.def ./
RUN make && ./opensandbox --version

FROM debian:bookworm-slim AS rootfs
RUN apt-get update \
	&& DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
		busybox-static ca-certificates gh git \
	&& rm -rf /var/lib/apt/lists/*
COPY packaging/make-rootfs /
RUN /make-rootfs /rootfs && mkdir -m 1777 /empty /empty/tmp

FROM scratch AS static
COPY --from=rootfs /empty/ /
COPY --from=rootfs /rootfs /rootfs
COPY --from=build /src/opensandbox /opensandbox
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=5s CMD ["/opensandbox", "health"]
ENTRYPOINT ["/opensandbox"]
CMD ["serve", "--listen", "0.0.0.0", "--rootfs", "/rootfs"]

FROM debian:bookworm-slim
ARG PACKAGES=
RUN apt-get update \
	&& DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
		ca-certificates curl file gh git jq less procps unzip xz-utils $PACKAGES \
	&& rm -rf /var/lib/apt/lists/*
COPY --from=build /src/opensandbox /usr/local/bin/opensandbox
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=5s CMD ["opensandbox", "health"]
ENTRYPOINT ["opensandbox"]
CMD ["serve", "--listen", "0.0.0.0"]
