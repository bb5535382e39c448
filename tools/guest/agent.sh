#!/bin/sh
# Runs the shell texts that the host sends over the virtual serial port, one at a time. In: a line with the length, then
# the text. Out: a line with the exit code and two lengths, then what the text printed and its messages.
until PORT=$(ls /dev/vport*p1 2>/dev/null); do sleep 0.1; done
exec 3<>"$PORT"
echo ready >&3
while read -r LENGTH <&3; do
  head -c "$LENGTH" <&3 >/run/agent.sh
  setsid sh /run/agent.sh >/run/agent.out 2>/run/agent.err </dev/null 3>&-
  CODE=$?
  printf '%s %s %s\n' "$CODE" "$(stat -c %s /run/agent.out)" "$(stat -c %s /run/agent.err)" >&3
  cat /run/agent.out /run/agent.err >&3
done
