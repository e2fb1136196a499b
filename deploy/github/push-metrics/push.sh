#!/usr/bin/env bash
# push.sh   Pushes $INPUT_FILE; all it needs comes from the environment, see action.yml. Outputs go to $GITHUB_OUTPUT,
# metrics that could not be pushed to $GITHUB_STEP_SUMMARY. It ends with 0 whatever happens, unless INPUT_FAIL=true.
set -uo pipefail

url="${PUSHGATEWAY_URL-${INPUT_URL:-}}"
file="${INPUT_FILE:-}" job="${INPUT_JOB:-ci}" labels="${INPUT_LABELS:-}" method="${INPUT_METHOD:-POST}"
deadline=$((SECONDS + ${INPUT_TIME_LIMIT:-60}))
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
request_id=""

output() { [ -z "${GITHUB_OUTPUT:-}" ] || printf '%s=%s\n' "$1" "$2" >> "$GITHUB_OUTPUT"; }

# finish PUSHED REASON MESSAGE
finish() {
    output pushed "$1"
    output reason "$2"
    output request-id "$request_id"
    if [ "$1" = true ]; then
        echo "$3"
        exit 0
    fi
    # A workflow command is one line, and % begins an escape in it.
    local text="${3//'%'/%25}"
    text="${text//$'\r'/}"
    echo "::$([ "$2" = skipped ] && echo notice || echo warning)::Metrics not pushed: ${text//$'\n'/%0A}"
    if [ "$2" != skipped ] && [ -n "${GITHUB_STEP_SUMMARY:-}" ] && [ -r "$file" ]; then
        {
            echo "### Metrics that could not be pushed (\`$2\`)"
            echo '````text'
            head -c 65536 "$file"
            echo '````'
        } >> "$GITHUB_STEP_SUMMARY"
    fi
    [ "$2" != skipped ] && [ "${INPUT_FAIL:-false}" = true ] && exit 1
    exit 0
}

[ -n "$url" ] || finish false skipped "there is no url"
[ -r "$file" ] || finish false no_file "there is no file $file"

# The one spelling of a value that no shell, client or gateway reads otherwise.
segment() {
    local coded
    coded="$(printf %s "$2" | base64 | tr -d '\n=' | tr '+/' '-_')"
    printf '/%s@base64/%s' "$1" "${coded:-=}"
}
path="$(segment job "$job")"
while IFS= read -r line; do
    [ -n "$line" ] || continue
    # An empty value names no group of its own.
    [ "${line#*=}" = "" ] || path+="$(segment "${line%%=*}" "${line#*=}")"
done <<< "$labels"
target="${url%/}/metrics$path"

# A pull request from a fork has neither secrets nor an identity, and nobody can mend that.
if [ "${INPUT_FORK:-false}" = true ] && [ -z "${ACTIONS_ID_TOKEN_REQUEST_URL:-}${INPUT_PASSWORD:-}" ] &&
    [ -n "${INPUT_AUDIENCE:-}${INPUT_USERNAME:-}" ]; then
    finish false skipped "a pull request from a fork has no credential"
fi

# Secrets go to curl in a file, never as an argument that other processes can read.
credential="$work/credential"
(umask 077 && : > "$credential")
quoted() { local text="${1//\\/\\\\}"; printf '"%s"' "${text//\"/\\\"}"; }
if [ -n "${INPUT_AUDIENCE:-}" ]; then
    [ -n "${ACTIONS_ID_TOKEN_REQUEST_URL:-}" ] ||
        finish false no_token "the run has no identity: add permissions: { id-token: write }"
    printf 'header = %s\n' "$(quoted "Authorization: Bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN")" > "$credential"
    token="$(curl -sS -f --max-time 20 --retry 2 -K "$credential" -G --data-urlencode "audience=$INPUT_AUDIENCE" \
        "$ACTIONS_ID_TOKEN_REQUEST_URL" 2> "$work/error" | sed -nE 's/.*"value" *: *"([A-Za-z0-9._-]+)".*/\1/p')"
    [ -n "$token" ] || finish false no_token "no identity token: $(head -c 500 "$work/error")"
    echo "::add-mask::$token"
    printf 'header = %s\n' "$(quoted "Authorization: Bearer $token")" > "$credential"
elif [ -n "${INPUT_USERNAME:-}" ]; then
    printf 'user = %s\n' "$(quoted "$INPUT_USERNAME:${INPUT_PASSWORD:-}")" > "$credential"
fi

# The value of a header of the last answer.
header() { tr -d '\r' < "$work/head" | sed -nE "s/^$1: *(.*)/\\1/Ip" | tail -n 1; }

pause=1 reason=timeout message="no answer in time"
while :; do
    left=$((deadline - SECONDS))
    [ "$left" -gt 0 ] || finish false "$reason" "$message"
    : > "$work/head"
    status="$(curl -sS -o "$work/body" -D "$work/head" -w '%{http_code}' -X "$method" -K "$credential" \
        --connect-timeout 10 --max-time "$left" -H 'Content-Type: text/plain; version=0.0.4' \
        --data-binary "@$file" "$target" 2> "$work/error")"
    exit=$?
    request_id="$(header Pushguard-Request-Id)"
    if [ $exit -eq 0 ] && [[ "$status" =~ ^20[02]$ ]]; then
        finish true "" "Metrics pushed to $url (request $request_id)"
    fi
    retry_after="$(header Retry-After)"
    if [ $exit -ne 0 ]; then
        reason="$([ $exit -eq 28 ] && echo timeout || echo unreachable)" message="$(head -c 500 "$work/error")"
    else
        reason="$(header Pushguard-Reason)" message="$status: $(head -c 500 "$work/body")"
        reason="${reason:-http_$status}"
        # Everything else would be refused again. 502 and 504 may have been applied; the same push again does no harm.
        [[ "$status" =~ ^(429|502|503|504)$ ]] || finish false "$reason" "$message"
    fi
    [[ "$retry_after" =~ ^[0-9]+$ ]] && wait="$retry_after" || wait=$pause
    [ $((SECONDS + wait)) -lt "$deadline" ] || finish false "$reason" "$message (no time left to wait ${wait} s)"
    sleep "$wait"
    pause=$((pause < 8 ? pause * 2 : 8))
done
