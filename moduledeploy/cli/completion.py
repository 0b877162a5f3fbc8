"""Print the script that completes commands, flags and live names in a shell.

Examples:

  source <(moduledeploy completion bash)
  moduledeploy completion zsh > "${fpath[1]}/_moduledeploy"
  moduledeploy completion fish > ~/.config/fish/completions/moduledeploy.fish
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import argparse

_BASH: Final = """\
_moduledeploy() {
    local line IFS=$'\\n'
    COMPREPLY=()
    for line in $(moduledeploy __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null); do
        COMPREPLY+=("${line%%$'\\t'*}")
    done
}
complete -o default -F _moduledeploy moduledeploy
"""
_ZSH: Final = """\
#compdef moduledeploy
_moduledeploy() {
    local -a found
    local name text
    while IFS=$'\\t' read -r name text; do
        found+=("${name//:/\\\\:}${text:+:$text}")
    done < <(moduledeploy __complete "${words[@]:1:$((CURRENT - 1))}" 2>/dev/null)
    if (( ${#found} )); then _describe moduledeploy found; else _files; fi
}
if [[ $funcstack[1] == _moduledeploy ]]; then _moduledeploy "$@"; else compdef _moduledeploy moduledeploy; fi
"""
_FISH: Final = """\
function __moduledeploy_complete
    set -l words (commandline -opc) (commandline -ct)
    moduledeploy __complete $words[2..-1] 2>/dev/null
end
complete -c moduledeploy -a '(__moduledeploy_complete)'
"""
SCRIPTS: Final = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `completion`."""
    parser.add_argument("shell", choices=SCRIPTS, metavar="SHELL", help="bash, zsh or fish")


def main(options: argparse.Namespace) -> int:
    """Print it."""
    print(SCRIPTS[options.shell], end="")
    return 0
