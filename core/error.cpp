#include "core/error.hpp"

#include <fmt/format.h>

#include <utility>

namespace orrery {
namespace {

std::string compose(const Location& where, const std::string& key, const std::string& message) {
    std::string text = to_string(where);
    if (!text.empty()) text += ": ";
    if (!key.empty()) text += key + ": ";
    return text + message;
}

std::string compose(const std::string& message, const std::vector<std::string>& cycle) {
    std::string text = message;
    for (const std::string& step : cycle) text += "\n  " + step;
    return text;
}

}  // namespace

std::string to_string(const Location& location) {
    if (location.line == 0) return location.file;
    if (location.column == 0) return fmt::format("{}:{}", location.file, location.line);
    return fmt::format("{}:{}:{}", location.file, location.line, location.column);
}

InputError::InputError(Location place, std::string offending_key, const std::string& text)
    : std::runtime_error(compose(place, offending_key, text)),
      where(std::move(place)),
      key(std::move(offending_key)),
      message(text) {}

SimulationError::SimulationError(const std::string& message, std::vector<std::string> steps)
    : std::runtime_error(compose(message, steps)), cycle(std::move(steps)) {}

}  // namespace orrery
