#!/bin/sh
# The package's life on a machine: /old.deb and /new.deb in a fresh Debian without systemd. Prints a line for each check.
set -eu

fine() { printf 'ok - %s\n' "$1"; }
wrong() {
    printf 'not ok - %s\n' "$1"
    [ $# -lt 2 ] || printf '%s\n' "$2"
    failed=1
}
# NAME COMMAND...: succeeds if the command does.
holds() {
    name=$1
    shift
    if said=$("$@" 2>&1); then fine "$name"; else wrong "$name" "$said"; fi
}
# NAME FOUND EXPECTED
same() {
    if [ "$2" = "$3" ]; then fine "$1"; else wrong "$1" "found \"$2\", expected \"$3\""; fi
}
failed=0
settings=/etc/guacd-lite/guacd-lite.toml
user="setpriv --reuid guacd-lite --regid guacd-lite --clear-groups env HOME=/nonexistent"
as_daemon() { $user "$@"; }
present() { find / -xdev \( -path /proc -o -path /sys -o -path /tmp \) -prune -o -name '*guacd*' -print; }

before=$(present)

# cloud-init writes the configuration first: no question, no change.
mkdir -p /etc/guacd-lite
printf '# from elsewhere\ndata_dir = "/var/lib/guacd-lite"\n' >$settings
holds "installs over a configuration that is there" dpkg --force-confold --install /new.deb
same "and leaves it as it is" "$(head -n 1 $settings)" "# from elsewhere"
holds "is purged" dpkg --purge guacd-lite
same "and leaves no file" "$(present)" "$before"

holds "the older version installs" dpkg --install /old.deb
same "the configuration is for the daemon to read and root to change" \
    "$(stat --format '%U:%G %a' $settings)" "root:guacd-lite 640"
same "secrets are for root alone" "$(stat --format '%U:%G %a' /etc/guacd-lite/secrets)" "root:root 700"
same "the binary is root's" "$(stat --format '%U:%G %a' /usr/bin/guacd-lite)" "root:root 755"
holds "guacd-lite --version" guacd-lite --version
holds "no file is anybody's to write" sh -c '! dpkg -L guacd-lite | xargs -d "\n" stat --format "%A %n" | grep "^-.......w"'
for page in man8/guacd-lite.8.gz man8/guacd-lite-serve.8.gz man5/guacd-lite.toml.5.gz; do
    # Slim systems are told to leave manuals out.
    holds "has the page $page" sh -c "dpkg -L guacd-lite | grep -q /usr/share/man/$page"
done
holds "bash takes the completions" bash -c 'source /usr/share/bash-completion/completions/guacd-lite && complete -p guacd-lite'

# What StateDirectory= of the unit does.
install -d -m 0700 -o guacd-lite -g guacd-lite /var/lib/guacd-lite
holds "the configuration as shipped is in order" as_daemon guacd-lite serve --config $settings --check-config
# The chroot shares the machine's network: whoever calls this names a port that is free.
export GUACD_LITE_WEB_LISTEN="$LISTEN" GUACD_LITE_GUACD_LISTEN=off
# Not by the function: its shell would get the signal.
$user guacd-lite serve --config $settings >/tmp/serve.log 2>&1 &
pid=$!
trap 'kill -9 $pid 2>/dev/null || true' EXIT
tries=0
until as_daemon guacd-lite health --config $settings >/dev/null 2>&1 || [ $tries -ge 150 ] || ! kill -0 $pid 2>/dev/null; do
    tries=$((tries + 1))
    sleep 0.2
done
holds "it starts with it, and is in health" as_daemon guacd-lite health --config $settings
kill -TERM $pid 2>/dev/null || true
code=0
wait $pid || code=$?
same "SIGTERM ends it in order" "$code" 0
[ "$code" = 0 ] || tail -n 20 /tmp/serve.log
same "its database is where the unit keeps it, and its own" \
    "$(stat --format '%U %a' /var/lib/guacd-lite/guacd-lite.sqlite3)" "guacd-lite 600"

printf '\n# ours\n' >>$settings
holds "the newer version upgrades it without a question" dpkg --force-confold --install /new.deb
same "what was changed in the configuration stays" "$(tail -n 1 $settings)" "# ours"
same "and so does who may read it" "$(stat --format '%U:%G %a' $settings)" "root:guacd-lite 640"
holds "the database stays" test -s /var/lib/guacd-lite/guacd-lite.sqlite3

holds "is removed" dpkg --remove guacd-lite
holds "and leaves configuration and database" test -s $settings -a -s /var/lib/guacd-lite/guacd-lite.sqlite3
holds "is purged at last" dpkg --purge guacd-lite
same "and leaves no file at last" "$(present)" "$before"
holds "but the user, locked" sh -c 'getent passwd guacd-lite | grep -q nologin'
exit $failed
