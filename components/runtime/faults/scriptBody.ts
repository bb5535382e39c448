/** The part of a fault's script that is the same for every plan. */
export const scriptBody = String.raw`
LC_ALL=C
export LC_ALL
PATH=$PATH:/usr/sbin:/sbin:/usr/bin:/bin
STEP=
APPLYING=3000 # hundredths of a second that applying may take

# Hundredths of a second since the machine started: a clock that nobody sets.
clock() {
  read -r UP _ </proc/uptime
  NOW=$((${"${UP%.*}"} * 100 + 1${"${UP#*.}"} - 100))
}

# A busy host must not make the undo late, so what carries it out goes before ordinary programs. What lives on after the
# undo, such as a machine that is started again, must not inherit that: SHADOWNET_PLAINLY goes before its command.
SHADOWNET_PLAINLY=
export SHADOWNET_PLAINLY
go_first() {
  if chrt --rr -p 1 "$$" >/dev/null 2>&1; then
    SHADOWNET_PLAINLY="chrt --other 0"
  elif renice -n -15 -p "$$" >/dev/null 2>&1; then
    SHADOWNET_PLAINLY="nice -n 15"
    { echo -15 >/proc/self/autogroup; } 2>/dev/null
  fi
}

plainly() {
  # shellcheck disable=SC2086 # several words
  $SHADOWNET_PLAINLY "$@"
}

number_in() {
  NUMBER=
  [ ! -r "$1" ] || read -r NUMBER <"$1" || true
  case $NUMBER in '' | *[!0-9]*) NUMBER=0 ;; esac
}

# Prints one JSON line: say EVENT [FIELD VALUE]...
say() {
  LINE="{\"fault\":\"$ID\",\"event\":\"$1\""
  shift
  while [ $# -gt 1 ]; do
    LINE="$LINE,\"$1\":\"$(printf %s "$2" | tr '\n\t"' "  '" | tr -d '\134' | cut -c 1-500)\""
    shift 2
  done
  printf '%s}\n' "$LINE"
}

# Milliseconds that the kernel may go on: until the heartbeat is too old, and never past the deadline.
set_timeout() {
  clock
  number_in "$STATE/deadline"
  LEFT=$((NUMBER - NOW))
  if [ "$WINDOW" -gt 0 ] && [ "$LEFT" -gt "$WINDOW" ]; then LEFT=$WINDOW; fi
  TIMEOUT=$((LEFT * 10))
}

counters() {
  counter_values | awk '
    { if (!($1 in sum)) { order[++count] = $1; sum[$1] = 0 } sum[$1] += $2 }
    END {
      printf "{\"counters\":{"
      for (place = 1; place <= count; place++)
        printf("%s\"%s\":%d", (place > 1 ? "," : ""), order[place], sum[order[place]])
      print "}}"
    }'
}

# Counters are read once more before the undo takes them away.
undo_all() {
  mkdir -p "$STATE" 2>/dev/null
  [ -e "$STATE/ended" ] || [ ! -e "$STATE/applied" ] || counters >"$STATE/effect.new" 2>/dev/null
  [ ! -s "$STATE/effect.new" ] || mv -f "$STATE/effect.new" "$STATE/effect"
  [ -e "$STATE/ended" ] || echo "$1" >"$STATE/ended"
  undo_steps
  TRIES=0
  until undone_steps; do
    TRIES=$((TRIES + 1))
    [ "$TRIES" -lt 20 ] || return 1
    sleep 0.1
    undo_steps
  done
  : >"$STATE/clean"
}

# One undo at a time, where there is flock; two at once do no harm but may start a machine twice.
undo() {
  mkdir -p "$STATE" 2>/dev/null
  (
    if command -v flock >/dev/null 2>&1; then flock -w 20 9; fi
    undo_all "$1" 9>&- 2>"$STATE/undo.log"
  ) 9>"$STATE/lock"
}

# Why the fault has to end now; empty while it may go on.
reason_to_end() {
  REASON=
  [ -e "$STATE/deadline" ] || { REASON=lost; return; }
  if [ -s "$STATE/ended" ]; then REASON=ended; return; fi
  if [ ! -e "$STATE/applied" ]; then
    number_in "$STATE/starter"
    runs "$NUMBER" start || { [ -e "$STATE/applied" ] || REASON=killed; }
    [ -z "$REASON" ] || return
  fi
  clock
  number_in "$STATE/deadline"
  if [ "$NOW" -ge "$NUMBER" ] && [ "$STAYS" -eq 0 ]; then REASON=timer; return; fi
  if [ "$WINDOW" -gt 0 ]; then
    number_in "$STATE/heartbeat"
    if [ $((NOW - NUMBER)) -gt "$WINDOW" ]; then REASON=heartbeat; return; fi
  fi
  for FILE in "$STATE"/*.pid; do
    [ -s "$FILE" ] || continue
    runs "$(cat "$FILE")" "$STATE" || REASON=process
  done
}

# Whether a process of this fault runs; a dead one that nobody has asked about yet has no command line.
runs() {
  { tr '\0' ' ' <"/proc/$1/cmdline"; } 2>/dev/null | grep -q "$2"
}

# Starts one of the two processes that look after each other, unless it runs.
keep() {
  number_in "$STATE/$2"
  if [ "$NUMBER" -gt 1 ] && runs "$NUMBER" "$STATE/fault.sh $1"; then return; fi
  [ -e "$STATE/deadline" ] && [ ! -e "$STATE/clean" ] || return
  : >"$STATE/$2"
  setsid sh "$STATE/fault.sh" "$1" </dev/null >/dev/null 2>&1 9>&- &
  written "$2" 100
}

# Starts the watcher again when somebody ends it; the watcher does the same for this one.
guard() {
  go_first
  echo "$$" >"$STATE/guard"
  while [ -e "$STATE/deadline" ] && [ ! -e "$STATE/clean" ]; do
    sleep 0.4
    keep watch watcher
  done
}

# Watcher and guard sleep between their looks; ending them leaves no process behind.
dismiss() {
  number_in "$STATE/$1"
  if [ "$NUMBER" -gt 1 ] && runs "$NUMBER" "$STATE/fault.sh ${"${1%er}"}"; then
    kill -9 "-$NUMBER" 2>/dev/null || kill -9 "$NUMBER" 2>/dev/null
  fi
}

watch() {
  go_first
  keep guard guard
  echo "$$" >"$STATE/watcher"
  while :; do
    keep guard guard
    reason_to_end
    case $REASON in
      '') ;;
      lost) undo lost; rm -rf "$STATE"; exit 0 ;;
      ended) if [ -e "$STATE/clean" ] || undo "$REASON"; then dismiss guard; exit 0; fi ;;
      *) if undo "$REASON"; then dismiss guard; exit 0; fi ;;
    esac
    clock
    number_in "$STATE/deadline"
    LEFT=$((NUMBER - NOW))
    if [ "$LEFT" -lt 1 ] || [ "$LEFT" -gt 30 ]; then sleep 0.3; else sleep "0.$((LEFT / 10))$((LEFT % 10))"; fi
  done
}

written() {
  TRIES=0
  until [ -s "$STATE/$1" ]; do
    TRIES=$((TRIES + 1))
    [ "$TRIES" -lt "$2" ] || return 1
    sleep 0.05
  done
}

# The timer comes from systemd, else from atd, else it is a process of its own that outlives the caller.
arm_timer() {
  UNDO="$STATE/fault.sh"
  if [ -d /run/systemd/system ] && command -v systemd-run >/dev/null 2>&1; then
    TIMER='systemd-run'
    set -- --quiet --collect --property=KillMode=process
    [ -z "$TIMER_SLICE" ] || set -- "$@" --slice="$TIMER_SLICE"
    systemd-run "$@" --unit="shadownet-fault-$ID" sh "$UNDO" watch >/dev/null 2>&1 && written watcher 60 && return 0
  fi
  if [ -r /run/atd.pid ] && kill -0 "$(cat /run/atd.pid)" 2>/dev/null && command -v at >/dev/null 2>&1; then
    TIMER='at'
    (cd / && echo "exec sh '$UNDO' watch >/dev/null 2>&1" | at now >/dev/null 2>&1) && written watcher 100 && return 0
  fi
  TIMER='process'
  setsid sh "$UNDO" watch </dev/null >/dev/null 2>&1 9>&- &
  written watcher 100
}

fail() {
  say failed step "$STEP" message "$(cat "$STATE/error" 2>/dev/null)"
  undo failed && leave
  exit 1
}

leave() {
  dismiss guard
  dismiss watcher
  rm -rf "$STATE"
}

start() {
  if [ -e "$STATE/fault.sh" ] && [ ! -e "$STATE/clean" ]; then
    say failed step start message "the fault is active already; stop it first"
    exit 1
  fi
  rm -rf "$STATE"
  if ! { mkdir -p "$STATE" && chmod 700 "$STATE" && cp "$0" "$STATE/fault.sh.new"; }; then
    say failed step start message "cannot write the undo to $STATE"
    exit 1
  fi
  clock
  echo "$$" >"$STATE/starter"
  echo "$WINDOW" >"$STATE/window"
  # Applying may take a while on a busy host; the real time starts when it is done.
  echo "$((NOW + APPLYING))" >"$STATE/heartbeat"
  echo "$((NOW + APPLYING + DURATION))" >"$STATE/deadline"
  mv "$STATE/fault.sh.new" "$STATE/fault.sh"
  arm_timer || {
    say failed step "arm the timer" message "nothing was applied"
    rm -rf "$STATE"
    exit 1
  }
  say armed timer "$TIMER"
  apply_steps >/dev/null 2>"$STATE/error" || fail
  clock
  echo "$NOW" >"$STATE/heartbeat"
  echo "$((NOW + DURATION))" >"$STATE/deadline"
  echo "$NOW" >"$STATE/applied"
  set_timeout
  arm_steps >/dev/null 2>"$STATE/error" || fail
  say applied
  verify_steps >/dev/null 2>"$STATE/error" || fail
  if [ -e "$STATE/ended" ]; then
    STEP=verify
    echo "the fault was ended while it was being applied" >"$STATE/error"
    fail
  fi
  say verified
}

heartbeat() {
  if [ ! -e "$STATE/deadline" ]; then say ended reason stopped; return; fi
  reason_to_end
  if [ -n "$REASON" ]; then
    [ -e "$STATE/clean" ] || undo "$REASON"
    say ended reason "$(cat "$STATE/ended")"
    return
  fi
  echo "$NOW" >"$STATE/heartbeat.new" && mv -f "$STATE/heartbeat.new" "$STATE/heartbeat"
  set_timeout
  if [ "$TIMEOUT" -gt 0 ]; then
    arm_steps >/dev/null 2>"$STATE/error" || { say failed step heartbeat message "$(cat "$STATE/error")"; exit 1; }
  fi
  if [ -e "$STATE/ended" ]; then
    undo again
    say ended reason "$(cat "$STATE/ended")"
  else
    say alive
  fi
}

effect() {
  if [ -s "$STATE/effect" ]; then cat "$STATE/effect"; else counters; fi
}

# Killed before it had a watcher; nothing is applied before that.
given_up() {
  [ ! -e "$STATE/applied" ] && [ ! -s "$STATE/watcher" ] || return 1
  number_in "$STATE/starter"
  ! runs "$NUMBER" start
}

status() {
  if [ ! -e "$STATE/fault.sh" ]; then
    say none
  elif [ ! -e "$STATE/clean" ] && given_up; then
    say none
  elif [ -e "$STATE/clean" ]; then
    say ended reason "$(cat "$STATE/ended")"
  elif [ -e "$STATE/applied" ]; then
    say active
  else
    say armed
  fi
}

stop() {
  go_first
  if undo stop; then
    REASON=$(cat "$STATE/ended" 2>/dev/null)
    leave
    say stopped ended "$REASON"
  else
    say failed step "$STEP" message "could not be undone: $(cat "$STATE/undo.log" 2>/dev/null)"
    exit 1
  fi
}

case "$1" in
  start | heartbeat | effect | status | stop | watch | guard) "$1" ;;
  *)
    echo "usage: sh $0 start|heartbeat|effect|status|stop" >&2
    exit 2
    ;;
esac
`;
