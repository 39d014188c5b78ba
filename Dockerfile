# Not tested where it was written: there is no Docker there.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -tags nodynamic -trimpath -ldflags='-s -w' -o /out/server ./server \
 && mkdir -p /out/var/lib/gridwatch /out/tmp

FROM debian:12-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ffmpeg bubblewrap poppler-utils poppler-data fonts-wqy-zenhei \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /usr/local/go/lib/time/zoneinfo.zip /
COPY --from=build --chown=65532:65532 /out/ /
ENV ZONEINFO=/zoneinfo.zip \
    GRID_LISTEN=:8080 \
    GRID_OPS_LISTEN=127.0.0.1:8081 \
    GRID_KEYRING=/var/lib/gridwatch/keyring.json
USER 65532:65532
VOLUME /var/lib/gridwatch
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/server", "healthcheck"]
ENTRYPOINT ["/server"]
CMD ["serve"]
