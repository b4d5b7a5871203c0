# For a mailbox on your own Dovecot with Pigeonhole: mail is handed to ombud as it arrives. The mailbox belongs to the user
# who runs the desk (an alias of the desk's address leads to it). Besides sieve-2.3.conf or sieve-2.4.conf, three commands:
#
#   install -d /usr/local/lib/dovecot/sieve && ln -s /opt/ombud/bin/ombud /usr/local/lib/dovecot/sieve/ombud
#   install -o ombud -g ombud -m 0644 deploy/dovecot/ombud.sieve ~ombud/.dovecot.sieve
#   runuser -u ombud -- sievec ~ombud/.dovecot.sieve
#
# When the pipe fails the script does, and Dovecot keeps the mail in INBOX: nothing is lost, and ombud's mailbox poller
# or `ombud import --notify` takes it in later.

require ["vnd.dovecot.pipe", "envelope", "variables"];

if envelope :matches "to" "*" { set "recipient" "${1}"; }
if envelope :matches "from" "*" { set "sender" "${1}"; }
pipe "ombud" ["deliver", "--config", "/var/lib/ombud/ombud.toml", "--sender", "${sender}", "${recipient}"];
