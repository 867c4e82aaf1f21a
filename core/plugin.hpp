// core/plugin.hpp
//
// Parts that link libraries most machines lack or most runs do without (CUDA, MPI, SimGrid) are modules of
// their own, loaded when they are asked for: the command starts without them and runs where they are missing.
#pragma once

#include <string>

namespace orrery {

class Plugin {
  public:
    /// Loads lib<name>.so from beside the command (of the Python module: from its build folder), or from
    /// lib/orrery of an installation. `absent` is the sentence for a build without it. Never throws: see
    /// loaded() and why().
    Plugin(const std::string& name, const std::string& absent, bool global_symbols);

    [[nodiscard]] bool loaded() const { return handle_ != nullptr; }
    /// Why it is not loaded.
    [[nodiscard]] const std::string& why() const { return why_; }

    /// Its function of that name. Precondition: loaded, and the module has it.
    template <class F>
    [[nodiscard]] F* function(const char* name) const {
        return reinterpret_cast<F*>(address(name));
    }

  private:
    [[nodiscard]] void* address(const char* name) const;

    void* handle_ = nullptr;  ///< kept for the life of the process: what it made may outlive us
    std::string why_;
};

}  // namespace orrery
