package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// life is what befalls a package: it is installed, used, upgraded, removed and purged.
// It runs in a copy of this system's files, of which only what changes is copied.
const life = `
mount -t tmpfs -o size=400m none "$W"
mkdir "$W/upper" "$W/work" "$W/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$W/upper,workdir=$W/work" "$W/root"
mount -t proc proc "$W/root/proc"
mount --bind /dev "$W/root/dev"
mkdir -p "$W/root/packages" "$W/root/captures"
mount --bind "$PACKAGES" "$W/root/packages"
mount --bind "$CAPTURES" "$W/root/captures"
chroot "$W/root" bash -euc '
export LC_ALL=C DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin
say() { echo "== $1"; }
say install
dpkg -i /packages/x400flow_1.0_*.deb
say modes
stat -c "%n %a %U:%G" /etc/x400flow /etc/x400flow/* /var/lib/x400flow /var/lib/x400flow/* /usr/bin/x400flow-*
say verify
systemd-analyze verify --man=no x400flow-sensor.service x400flow-decoder.service 2>&1
say security
for unit in sensor decoder; do systemd-analyze security --offline=true x400flow-$unit.service --no-pager | tail -1; done
say run
printf "watch /captures\nwatch-quiet 1s\nrecords /var/lib/x400flow/records\nsandbox require\n" > /etc/x400flow/sensor.conf
line=$(sed -n s/^ExecStart=//p /lib/systemd/system/x400flow-sensor.service)
runuser -u x400flow -- timeout --foreground -s TERM 5 $line 2>&1 || true
stat -c "%n %U %s" /var/lib/x400flow/records
say decoder
line=$(sed -n s/^ExecStart=//p /lib/systemd/system/x400flow-decoder.service)
runuser -u x400flow -- $line 2>&1 || true
say upgrade
dpkg --force-confold -i /packages/x400flow_2.0_*.deb
dpkg-query -W -f "\${Version} \${Status}\n" x400flow
head -1 /etc/x400flow/sensor.conf
stat -c "%n %a" /etc/x400flow/secrets.env
say remove
dpkg -r x400flow
ls /usr/bin/x400flow-* /lib/systemd/system/x400flow-* 2>/dev/null || echo gone
ls /etc/x400flow
say purge
dpkg --purge x400flow
ls -d /etc/x400flow 2>/dev/null || echo gone
ls /var/lib/x400flow
rm /var/lib/x400flow/records
say again
dpkg -i /packages/x400flow_2.0_*.deb
dpkg --purge x400flow
ls -d /etc/x400flow /var/lib/x400flow /usr/share/doc/x400flow 2>/dev/null || echo gone
dpkg --audit
say end
'
`

// TestPackage makes the package in two versions and lives through its life.
func TestPackage(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: builds the commands")
	}
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("installing a package needs root")
		}
		t.Skip("installing a package needs root")
	}
	packages := t.TempDir()
	for _, version := range []string{"1.0", "2.0"} {
		// Without -trimpath the commands are those that other tests have built.
		cmd := exec.Command("make", "-C", "..", "deb", "VERSION="+version, "DEBFLAGS=", "DEBDIR="+packages)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("make deb: %v\n%s", err, out)
		}
	}
	captures, err := filepath.Abs("../testdata/mta")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("unshare", "--mount", "--propagation", "private", "bash", "-euc", life)
	cmd.Env = append(os.Environ(), "W="+t.TempDir(), "PACKAGES="+packages, "CAPTURES="+captures)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	said := map[string]string{}
	for _, part := range strings.Split(string(out), "== ")[1:] {
		name, text, _ := strings.Cut(part, "\n")
		said[name] = text
	}
	for part, wants := range map[string][]string{
		"modes": {
			"/etc/x400flow 755 root:root\n", "/etc/x400flow/sensor.conf 644 root:root\n", "/etc/x400flow/secrets.env 600 root:root\n",
			"/var/lib/x400flow 750 x400flow:x400flow\n", "/var/lib/x400flow/spool 750 x400flow:x400flow\n", "/var/lib/x400flow/packets 700 x400flow:x400flow\n",
			"/usr/bin/x400flow-ingest 755 root:root\n",
		},
		"run":     {"msg=restricted", "no capabilities", "Wrote ", " records of 9 connections to /var/lib/x400flow/records", "/var/lib/x400flow/records x400flow "},
		"decoder": {"nothing to read: name a record file with -r or a topic with -bus"}, // As long as nobody has said where.
		"upgrade": {"2.0 install ok installed\n", "watch /captures\n", "secrets.env 600\n"},
		"remove":  {"gone\n", "sensor.conf"},
		"purge":   {"gone\n", "is not empty and stays", "records\n"},
		"again":   {"gone\n"},
		"end":     {""},
	} {
		text, ok := said[part]
		for _, want := range wants {
			if !ok || !strings.Contains(text, want) {
				t.Errorf("%s does not say %q:\n%s", part, want, text)
			}
		}
	}
	if said["verify"] != "" {
		t.Errorf("systemd-analyze verify says %s", said["verify"])
	}
	for line := range strings.Lines(said["security"]) {
		m := regexp.MustCompile(`: ([0-9.]+) OK`).FindStringSubmatch(line)
		if m == nil {
			t.Errorf("systemd-analyze security says %s", line)
			continue
		}
		if score, err := strconv.ParseFloat(m[1], 64); err != nil || score > 2 {
			t.Errorf("exposure %s, of 10 at worst: %s", m[1], line)
		}
	}
	if strings.Count(said["security"], "\n") != 2 {
		t.Errorf("systemd-analyze security says %s", said["security"])
	}
}
