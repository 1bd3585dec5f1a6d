// Package deploy holds what runs x400flow on several machines: configuration of
// ClickHouse, Prometheus and Grafana for the docker-compose.yml above it. It has
// no code but tests, which hold these files to the programs.
package deploy
