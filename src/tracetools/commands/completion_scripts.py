"""The parts of completion scripts that are the same for all commands, by shell."""

from typing import Final

__all__ = ["BASH", "FISH", "ZSH"]

BASH: Final = """\
# Completes tracetools in bash: eval "$(tracetools completion bash)"
_tracetools() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
    local command=${COMP_WORDS[1]} options= words= index
    COMPREPLY=()
    if (( COMP_CWORD == 1 )); then
        _tracetools_take -W "@COMMANDS@ --help --version"
        return
    fi
    if [[ $command == run ]]; then
        for (( index = 2; index < COMP_CWORD; index++ )); do
            case ${COMP_WORDS[index]} in
                @VALUES@)
                    (( index++ ))
                    [[ ${COMP_WORDS[index]} == "=" ]] && (( index++ )) ;;
                -m*|-c*)
                    (( index + 1 < COMP_CWORD )) && _tracetools_files
                    return ;;
                -*) ;;
                *)
                    _tracetools_program "$index"
                    return ;;
            esac
        done
    fi
    if [[ $current == "=" ]]; then
        current=
    elif [[ $previous == "=" ]]; then
        previous=${COMP_WORDS[COMP_CWORD-2]}
    fi
    case $command in
@KNOWN@
    esac
    case $command:$previous in
@CASES@
        *)
            if [[ $current == -* ]]; then
                _tracetools_take -W "$options"
            elif [[ -n $words ]]; then
                _tracetools_take -W "$words"
            else
                _tracetools_files
            fi ;;
    esac
}
_tracetools_take() {
    COMPREPLY=($(compgen "$@" -- "$current"))
}
_tracetools_files() {
    local IFS=$'\\n'
    compopt -o filenames 2> /dev/null
    COMPREPLY=($(compgen -f -- "$current"))
}
_tracetools_program() {
    if declare -F _command_offset > /dev/null; then
        _command_offset "$1"
    else
        _tracetools_files
    fi
}
complete -F _tracetools tracetools
"""

ZSH: Final = """\
#compdef tracetools
# Completes tracetools in zsh: eval "$(tracetools completion zsh)", after compinit
_tracetools_program() {
    if (( CURRENT > 1 )); then
        _files
    else
        _alternative 'files:script:_files' 'commands:command:_command_names -e'
    fi
}
_tracetools() {
    local -a commands
    commands=(
@COMMANDS@
    )
    if (( CURRENT == 2 )); then
        _describe 'command' commands
        compadd -- --help --version
        return
    fi
    local command=$words[2]
    shift words
    (( CURRENT-- ))
    case $command in
@CASES@
    esac
}
if [[ $funcstack[1] == _tracetools ]]; then
    _tracetools "$@"
else
    compdef _tracetools tracetools
fi
"""

FISH: Final = """\
# Completes tracetools in fish: tracetools completion fish | source
function __tracetools_before_program
    set -l words (commandline -opc)
    test "$words[2]" = run; or return 1
    set -l index 3
    while test $index -le (count $words)
        switch $words[$index]
            case '-m*' '-c*'
                return 1
            case '-*'
                contains -- $words[$index] @VALUES@; and set index (math $index + 1)
            case '*'
                return 1
        end
        set index (math $index + 1)
    end
    return 0
end
complete -c tracetools -n __fish_use_subcommand -f -l help -s h -d 'show help'
complete -c tracetools -n __fish_use_subcommand -f -l version -s V -d 'show the version'
@LINES@
"""
