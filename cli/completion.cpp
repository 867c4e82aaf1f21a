// orrery completion SHELL: the script that completes commands, options and names in a shell; made from the
// commands themselves, so it knows every option.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/exit_status.hpp"
#include "cli/help_topics.hpp"
#include "cli/list.hpp"
#include "core/error.hpp"
#include "core/nearest_name.hpp"

namespace orrery::cli {
namespace {

/// What a command's first argument is a name of: a kind of `orrery list`; empty: a file.
std::string kind_of_argument(const std::string& command) {
    if (command == "schedule") return "schedules";
    return "";
}

std::vector<std::string> options_of(const CLI::App& command) {
    std::vector<std::string> names;
    for (const CLI::Option* option : command.get_options())
        for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    return names;
}

constexpr const char* kBash =
    R"bash(# orrery completion bash: put into ~/.local/share/bash-completion/completions/orrery, or source it.
_orrery() {
    local word=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} options='' kind=''
    COMPREPLY=()
    if [[ $COMP_CWORD == 1 ]]; then
        COMPREPLY=($(compgen -W '@COMMANDS@' -- "$word"))
        return
    fi
    case $command in
@OPTIONS@    esac
    case $command in
@KINDS@    esac
    if [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$word"))
    elif [[ $command == list ]]; then
        COMPREPLY=($(compgen -W '@LISTED@' -- "$word"))
    elif [[ $command == show && $COMP_CWORD == 3 ]]; then
        COMPREPLY=($(compgen -W "$(orrery list clusters 2>/dev/null | awk '{print $1}')" -- "$word"))
    elif [[ -n $kind && $COMP_CWORD == 2 ]]; then
        COMPREPLY=($(compgen -W "$(orrery list "$kind" 2>/dev/null | awk '{print $1}')" -- "$word"))
    else
        COMPREPLY=($(compgen -f -- "$word"))
    fi
}
complete -o filenames -F _orrery orrery
)bash";

void fill(std::string& script, const std::string& mark, const std::string& text) {
    script.replace(script.find(mark), mark.size(), text);
}

/// bash; zsh reads the same through bashcompinit.
std::string bash_script(const CLI::App& app) {
    std::vector<std::string> names;
    std::string options;
    std::string kinds;
    for (const CLI::App* command : shown_commands(app)) {
        names.push_back(command->get_name());
        options += fmt::format("        {}) options='{}' ;;\n", command->get_name(),
                               fmt::join(options_of(*command), " "));
        if (const std::string kind = kind_of_argument(command->get_name()); !kind.empty())
            kinds += fmt::format("        {}) kind={} ;;\n", command->get_name(), kind);
    }
    std::string script = kBash;
    fill(script, "@COMMANDS@", fmt::format("{}", fmt::join(names, " ")));
    fill(script, "@OPTIONS@", options);
    fill(script, "@KINDS@", kinds);
    fill(script, "@LISTED@", fmt::format("{}", fmt::join(list_kinds(), " ")));
    return script;
}

std::string zsh_script(const CLI::App& app) {
    return "# orrery completion zsh: source it from ~/.zshrc.\nautoload -U +X bashcompinit && "
           "bashcompinit\n" +
           bash_script(app);
}

/// A text between single quotes, for fish.
std::string fish_quoted(const std::string& text) {
    std::string quoted = "'";
    for (const char c : text) {
        if (c == '\'' || c == '\\') quoted += '\\';
        quoted += c == '\n' ? ' ' : c;
    }
    return quoted + "'";
}

std::string fish_script(const CLI::App& app) {
    std::string script = "# orrery completion fish: put into ~/.config/fish/completions/orrery.fish.\n";
    for (const CLI::App* command : shown_commands(app)) {
        const std::string& name = command->get_name();
        script += fmt::format("complete -c orrery -n __fish_use_subcommand -f -a {} -d {}\n", name,
                              fish_quoted(command->get_description()));
        for (const CLI::Option* option : command->get_options())
            for (const std::string& text : option->get_lnames())
                script += fmt::format("complete -c orrery -n '__fish_seen_subcommand_from {}' -l {} -d {}\n",
                                      name, text, fish_quoted(option->get_description()));
        if (const std::string kind = kind_of_argument(name); !kind.empty())
            script += fmt::format(
                "complete -c orrery -n '__fish_seen_subcommand_from {}' -f -a '(orrery list "
                "{} | string split -f1 \" \")'\n",
                name, kind);
    }
    return script;
}

int print_script(const CLI::App& app, const std::string& shell) {
    const std::vector<std::string> shells{"bash", "zsh", "fish"};
    if (std::find(shells.begin(), shells.end(), shell) == shells.end())
        throw InputError({}, "", unknown_name("shell", shell, shells));
    fmt::print("{}", shell == "bash"  ? bash_script(app)
                     : shell == "zsh" ? zsh_script(app)
                                      : fish_script(app));
    return kDone;
}

}  // namespace

std::vector<const CLI::App*> shown_commands(const CLI::App& app) {
    return app.get_subcommands([](const CLI::App* each) { return !each->get_group().empty(); });
}

Command add_completion(CLI::App& app) {
    const auto shell = std::make_shared<std::string>();
    CLI::App* command = app.add_subcommand("completion", "A shell's script that completes orrery's commands");
    command->add_option("shell", *shell, "bash, zsh or fish")->required();
    return {command, [shell, &app] { return print_script(app, *shell); }};
}

}  // namespace orrery::cli
