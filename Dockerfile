# Images of the commands, each with one static program and nothing of libchdb:
# they speak to Kafka and to ClickHouse servers.
#
#   docker build --target sensor  -t x400flow-sensor .
#   docker build --target decoder -t x400flow-decoder .
#   docker build --target query   -t x400flow-query .

FROM golang:1.26-alpine AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -pgo bench/ingest.pgo -trimpath -ldflags '-s -w' -o /out/ ./cmd/ingest ./cmd/decode ./cmd/query

FROM alpine:3.22 AS base
RUN apk add --no-cache ca-certificates tzdata \
 && adduser -D -H -u 10001 x400flow \
 && install -d -o x400flow -g x400flow /var/spool/x400flow
USER 10001:10001
WORKDIR /tmp

FROM base AS sensor
COPY --from=build /out/ingest /usr/local/bin/ingest
VOLUME /var/spool/x400flow
EXPOSE 9102
ENTRYPOINT ["/usr/local/bin/ingest"]

FROM base AS decoder
COPY --from=build /out/decode /usr/local/bin/decode
EXPOSE 9102
ENTRYPOINT ["/usr/local/bin/decode"]

FROM base AS query
COPY --from=build /out/query /usr/local/bin/query
ENTRYPOINT ["/usr/local/bin/query"]
