/**
 * The part of a fault's script with which faults share one limit of a machine or link. `$CLAIMS` has a folder for each
 * limit: what it was before all of them, and what each asks for. What holds is worked out from those that are on, and
 * the last one gives the original back; killed at any point, the next call goes on from what is there. How a limit is
 * read, worked out and set is said by the plan, in the functions present, identity, current, combine and put.
 */
export const claimBody = String.raw`
# What else to keep beside the original; a plan may say more.
remember() { :; }

lock_claims() {
  mkdir -p "$CLAIMS" && exec 8>"$CLAIMS/lock" || return 1
  if command -v flock >/dev/null 2>&1; then flock -w 20 8; fi
}

same_text() {
  [ "$(cat "$1" 2>/dev/null)" = "$(cat "$2" 2>/dev/null)" ]
}

# Another thing has taken the place of the one that was limited, such as a machine that was made anew.
is_another() {
  [ ! -e "$CLAIM/original" ] || [ "$(cat "$CLAIM/identity")" != "$(identity)" ]
}

# What somebody else has set meanwhile is what is to be given back, and not what a killed call has left half written.
adopt() {
  [ ! -e "$CLAIM/writing" ] || return 0
  current >"$CLAIM/current" || return 1
  if same_text "$CLAIM/current" "$CLAIM/original"; then return; fi
  grep -qxF "$(cksum <"$CLAIM/current")" "$CLAIM/ours" 2>/dev/null || mv -f "$CLAIM/current" "$CLAIM/original"
}

settle() {
  combine >"$CLAIM/wanted" && write "$CLAIM/wanted"
}

write() {
  cksum <"$1" >>"$CLAIM/ours"
  : >"$CLAIM/writing"
  put "$1" && rm -f "$CLAIM/writing"
}

# claim NAME TEXT: asks for something as this fault.
claim() {
  CLAIM=$CLAIMS/$1
  lock_claims || return 1
  if is_another; then rm -rf "$CLAIM"; fi
  mkdir -p "$CLAIM/by" || return 1
  if [ -e "$CLAIM/original" ]; then
    adopt || return 1
  else
    identity >"$CLAIM/identity" && remember && current >"$CLAIM/original.new" || return 1
    mv "$CLAIM/original.new" "$CLAIM/original"
  fi
  echo "$2" >"$CLAIM/by/.$ID" && mv "$CLAIM/by/.$ID" "$CLAIM/by/$ID" && settle
}

# release NAME: no longer asks for it.
release() {
  CLAIM=$CLAIMS/$1
  [ -d "$CLAIM" ] || return 0
  lock_claims || return 1
  [ -d "$CLAIM" ] || return 0
  if ! present || is_another; then rm -rf "$CLAIM"; return; fi
  adopt
  rm -f "$CLAIM/by/$ID" "$CLAIM/by/.$ID"
  if [ -n "$(ls "$CLAIM/by")" ]; then settle; return; fi
  write "$CLAIM/original" && current >"$CLAIM/current" || return 1
  same_text "$CLAIM/current" "$CLAIM/original" && rm -rf "$CLAIM"
}

# released NAME: whether nothing of this fault's claim is left.
released() {
  [ ! -d "$CLAIMS/$1" ] || { [ ! -e "$CLAIMS/$1/by/$ID" ] && [ -n "$(ls "$CLAIMS/$1/by" 2>/dev/null)" ]; }
}
`;
