#include "schedules/cbc_library.hpp"

#include <dlfcn.h>

#include <optional>

namespace orrery::schedules {
namespace {

template <class F>
bool find(void* library, const char* name, F& function) {
    function = reinterpret_cast<F>(dlsym(library, name));
    return function != nullptr;
}

std::optional<CbcLibrary> load() {
    void* const library = dlopen(ORRERY_CBC_SONAME, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return std::nullopt;
    CbcLibrary cbc;
    const bool whole = find(library, "Cbc_newModel", cbc.new_model) &&
                       find(library, "Cbc_deleteModel", cbc.delete_model) &&
                       find(library, "Cbc_setLogLevel", cbc.set_log_level) &&
                       find(library, "Cbc_setParameter", cbc.set_parameter) &&
                       find(library, "Cbc_setMaximumSeconds", cbc.set_maximum_seconds) &&
                       find(library, "Cbc_addCol", cbc.add_column) &&
                       find(library, "Cbc_addRow", cbc.add_row) && find(library, "Cbc_solve", cbc.solve) &&
                       find(library, "Cbc_isProvenInfeasible", cbc.is_proven_infeasible) &&
                       find(library, "Cbc_isProvenOptimal", cbc.is_proven_optimal) &&
                       find(library, "Cbc_numberSavedSolutions", cbc.saved_solutions) &&
                       find(library, "Cbc_getColSolution", cbc.solution);
    if (!whole) return std::nullopt;
    return cbc;
}

}  // namespace

const CbcLibrary* cbc_library() {
    static const std::optional<CbcLibrary> library = load();
    return library ? &*library : nullptr;
}

}  // namespace orrery::schedules
