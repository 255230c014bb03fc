# What `deploy` does alike on every platform. To be sourced, with the root of the repository as the
# current folder and the script's own in `here`.
# shellcheck shell=bash

# Set by the options.
dry_run=
environment=production
extra_values=()

fail() { printf 'error: %s\n' "$1" >&2; exit 2; }

# The comment at the head of the script that calls.
usage() { sed -n '2,/^[^#]/{ s/^# \{0,1\}//p; }' "${here:?}/deploy"; }

# Runs a command, or shows it where --dry-run is given.
run() {
    if [ -n "$dry_run" ]; then
        printf '%q ' "$@" | sed 's/ $//'
        printf '\n'
    else
        "$@"
    fi
}

# Where --dry-run is given, a cluster, its tools and an account are not needed.
need() {
    local tool
    for tool in "$@"; do
        [ -n "$dry_run" ] || command -v "$tool" > /dev/null || fail "\`$tool\` is needed, and is not in PATH"
    done
}

# An option of all platforms; false where it is none.
common_option() {
    case "$1" in
        --dry-run) dry_run=yes ;;
        --environment) environment="${2:?--environment wants a name}" ;;
        --values) extra_values+=(--values "${2:?--values wants a file}") ;;
        *) return 1 ;;
    esac
}

# How many words an option of `common_option` takes.
words_of() { [ "$1" = --dry-run ] && echo 1 || echo 2; }

# The chart, with the values of the platform, of the environment, and those given: the last one wins.
install_chart() {
    local file="infra/environments/$environment.yaml"
    [ -f "$file" ] || fail "no environment \`$environment\`: there is $(basename -s .yaml infra/environments/*.yaml | paste -sd' ')"
    run helm upgrade --install carbon-kube charts/carbon-kube \
        --namespace carbon-kube --create-namespace \
        --values "$1" --values "$file" "${extra_values[@]}" \
        --atomic --wait --timeout 10m
}

# Prints a file with the value for each ${NAME} put in: fill FILE NAME=VALUE...
fill() {
    local text pair
    text="$(< "$1")"
    shift
    for pair in "$@"; do text="${text//"\${${pair%%=*}}"/${pair#*=}}"; done
    printf '%s\n' "$text"
}

# The backup's job: install_backup FILE NAME=VALUE...
install_backup() {
    local text
    text="$(fill "$@")"
    if [ -n "$dry_run" ]; then
        printf 'kubectl apply --filename - <<%s\n%s\n%s\n' "'END'" "$text" END
    else
        kubectl apply --filename - <<< "$text"
    fi
}
