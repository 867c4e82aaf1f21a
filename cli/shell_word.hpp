// cli/shell_word.hpp
//
// Words of a command that a reader pastes into a shell.
#pragma once

#include <string>

namespace orrery::cli {

/// `word` in single quotes where a shell would take it apart.
std::string shell_word(const std::string& word);

}  // namespace orrery::cli
