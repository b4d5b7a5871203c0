# For a mailbox on your own Dovecot with Pigeonhole: mail is handed to ombud as it arrives. Three commands:
#
#   ln -s /opt/ombud/bin/ombud /usr/local/lib/dovecot/sieve/ombud     (sieve_plugins = sieve_extprograms,
#   cp deploy/dovecot/ombud.sieve ~conduct/.dovecot.sieve              sieve_pipe_bin_dir = /usr/local/lib/dovecot/sieve,
#   sievec ~conduct/.dovecot.sieve                                     sieve_extensions = +vnd.dovecot.pipe)
#
# When the pipe fails the script does, and Dovecot keeps the mail in INBOX: nothing is lost, and ombud's mailbox poller
# or `ombud import --notify` takes it in later.

require ["vnd.dovecot.pipe", "envelope", "variables"];

if envelope :matches "to" "*" { set "recipient" "${1}"; }
if envelope :matches "from" "*" { set "sender" "${1}"; }
pipe "ombud" ["deliver", "--config", "/var/lib/ombud/ombud.toml", "--sender", "${sender}", "${recipient}"];
