# x400flow. The two commands a newcomer needs are `make run` and `make test`.

GO ?= go
export CGO_ENABLED ?= 0
ARCHIVE ?= archive

# apt-get as root, through sudo where that asks no password, else not at all.
APT := $(shell if [ "$$(id -u)" = 0 ]; then echo apt-get; elif sudo -n true 2>/dev/null; then echo sudo apt-get; fi)

.PHONY: run build test test-faults check allocations race pcap libchdb kafka need-java need-net need-npm need-tcpdump need-tshark need-systemd deb docs bench bench-stages pgo bench-live bench-queries clean

## run: build, archive the captures in testdata, show the message flows in them
run: build libchdb
	@bin/ingest -r testdata/mta -store $(ARCHIVE)
	@echo
	@bin/query -store $(ARCHIVE) flows
	@echo
	@echo 'Next:'
	@echo '  bin/ingest -r YOUR.pcap -store $(ARCHIVE)'
	@echo "  bin/query -store $(ARCHIVE) 'SELECT captured_at, mts_id, originator FROM messages ORDER BY captured_at'"
	@echo '  tcpdump -i eth0 -U -w - tcp port 102 | bin/ingest -r - -store $(ARCHIVE)'

## build: the three commands, into bin/
build:
	@mkdir -p bin
	$(GO) build -pgo bench/ingest.pgo -o bin/ ./cmd/ingest ./cmd/decode ./cmd/query

# What git says: a tag's version, or before the first tag the time of the commit.
VERSION ?= $(shell git describe --tags --match 'v[0-9]*' 2>/dev/null | sed 's/^v//; s/-/+/g' | grep . || TZ=UTC git log -1 --date=format-local:%Y%m%d%H%M%S --format=0~%cd.%h)
DEBFLAGS ?= -trimpath -ldflags '-s -w'
DEBDIR ?= bin
NFPM := github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2

## deb: a Debian package of the three commands with their units, into bin/
deb:
	@mkdir -p bin/deb
	CGO_ENABLED=0 $(GO) build -pgo bench/ingest.pgo $(DEBFLAGS) -o bin/deb/ ./cmd/ingest ./cmd/decode ./cmd/query
	VERSION='$(VERSION)' ARCH=$$($(GO) env GOARCH) $(GO) run $(NFPM) package -f deploy/package/nfpm.yaml -p deb -t $(DEBDIR)/

## libchdb: the engine library, pinned and verified, into the user's cache
libchdb: need-npm
	@engine/fetch-libchdb.sh

## kafka: Apache Kafka, pinned and verified, into the user's cache, for the tests
kafka: need-java
	@pipeline/bus/kafka/kafkatest/fetch-kafka.sh

## test: everything: formatting, vet, static analysis, all tests, the race detector
test: need-tshark need-systemd need-net libchdb kafka check
	@# Tests run built commands, at which go does not look before it takes a result from its cache.
	$(GO) test -count=1 -timeout 20m ./...
	$(MAKE) allocations race pcap

# What allocates may depend on the profile that the commands are compiled by.
allocations:
	$(GO) test -pgo bench/ingest.pgo -run Alloc ./osi/... ./x411/... ./schema/... ./pipeline/...

check:
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "gofmt would change:"; echo "$$out"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

## test-faults: the long fault run (docs/faults.md); SEED=n for another schedule
SEED ?= 1
test-faults: libchdb kafka
	$(GO) test ./bench/faults -run TestFaults -v -timeout 60m -long -seed $(SEED)

# The race detector needs cgo, and so a C compiler.
race:
	CGO_ENABLED=1 $(GO) test -race -short -timeout 15m ./osi/... ./x411/... ./pipeline/... ./schema/...

# libpcap's expressions (ingest -f), and interfaces on other systems than Linux, need cgo and libpcap.
pcap: need-tshark
	CGO_ENABLED=1 $(GO) vet -tags pcap ./pipeline/capture/... ./cmd/ingest
	CGO_ENABLED=1 $(GO) test -tags pcap -run Filter ./pipeline/capture ./pipeline/capture/device
	CGO_ENABLED=0 GOOS=darwin $(GO) vet ./pipeline/capture/... ./pipeline/live

## docs: what is generated in docs/
docs: build libchdb
	$(GO) generate ./schema/...

## bench: every stage beside its yardstick, in one run of a few minutes (docs/performance.md)
bench: need-tshark libchdb kafka
	@$(GO) run -pgo bench/ingest.pgo ./bench/cmd/x400bench $(BENCH)

## pgo: the profile that make build gives the compiler
pgo:
	$(GO) run ./bench/cmd/x400bench -pgo bench/ingest.pgo -messages 2000 -each 15s

## bench-stages: Go's own benchmarks, for benchstat
bench-stages: need-tshark
	$(GO) test -run '^$$' -bench . -benchmem ./osi/... ./x411/... ./schema/... ./pipeline/... ./bench/stages

## bench-live: the highest loss-free rates on an interface, beside tcpdump's, and a soak of ten minutes (docs/live.md)
bench-live: need-net need-tcpdump libchdb
	$(GO) test ./bench/live -run TestRates -v -timeout 120m -rates -soak 10m -report $(CURDIR)/docs/live.md

## bench-queries: reports and searches on an archive of MESSAGES messages (docs/performance.md)
MESSAGES ?= 10000000
QUERIES ?= bench-queries.tmp
bench-queries: build libchdb
	$(GO) build -o bin/ ./bench/cmd/x400queries
	bin/x400queries -messages $(MESSAGES) -ingest bin/ingest -query bin/query -store $(QUERIES)

clean:
	rm -rf bin bench-queries.tmp

need-npm:
	@command -v npm >/dev/null || { \
	if [ -n "$(APT)" ]; then $(APT) update -qq && DEBIAN_FRONTEND=noninteractive $(APT) install -y -qq npm; \
	else echo 'npm is needed to obtain libchdb: sudo apt-get install npm'; exit 1; fi; }

need-tshark:
	@command -v tshark >/dev/null && command -v gcc >/dev/null && command -v mergecap >/dev/null && [ -e /usr/include/pcap/pcap.h ] || { \
	if [ -n "$(APT)" ]; then $(APT) update -qq && DEBIAN_FRONTEND=noninteractive $(APT) install -y -qq tshark gcc libc6-dev libpcap-dev; \
	else echo 'the tests compare with tshark: sudo apt-get install tshark gcc libc6-dev libpcap-dev'; exit 1; fi; }

# The tests of live capture join network namespaces and replay into them. apt-get
# leaves what is there as it is.
need-net:
	@PATH=$$PATH:/usr/sbin:/sbin; command -v ip >/dev/null && command -v tcpreplay >/dev/null && command -v setcap >/dev/null || { \
	if [ -n "$(APT)" ]; then $(APT) update -qq && DEBIAN_FRONTEND=noninteractive $(APT) install -y -qq iproute2 tcpreplay libcap2-bin; \
	else echo 'the tests capture from interfaces: sudo apt-get install iproute2 tcpreplay libcap2-bin'; exit 1; fi; }

need-tcpdump:
	@PATH=$$PATH:/usr/sbin:/sbin; command -v tcpdump >/dev/null || { \
	if [ -n "$(APT)" ]; then $(APT) update -qq && DEBIAN_FRONTEND=noninteractive $(APT) install -y -qq tcpdump; \
	else echo 'the rates are compared with tcpdump: sudo apt-get install tcpdump'; exit 1; fi; }

need-java:
	@command -v java >/dev/null && command -v mvn >/dev/null || { \
	if [ -n "$(APT)" ]; then $(APT) update -qq && DEBIAN_FRONTEND=noninteractive $(APT) install -y -qq openjdk-17-jre-headless maven; \
	else echo 'the tests start Apache Kafka: sudo apt-get install openjdk-17-jre-headless maven'; exit 1; fi; }

need-systemd:
	@command -v systemd-analyze >/dev/null && command -v setcap >/dev/null && command -v unshare >/dev/null || { \
	if [ -n "$(APT)" ]; then $(APT) update -qq && DEBIAN_FRONTEND=noninteractive $(APT) install -y -qq systemd libcap2-bin util-linux; \
	else echo 'the tests check units and file capabilities: sudo apt-get install systemd libcap2-bin util-linux'; exit 1; fi; }
