// schedules/cbc_library.hpp
//
// COIN-OR's CBC, loaded when an integer program is first asked for: it brings nine libraries that every other
// command would load and relocate for nothing. Its header is needed to build, the library to run.
#pragma once

#include <coin/Cbc_C_Interface.h>

namespace orrery::schedules {

/// The functions of CBC's C interface that we use, under their names.
struct CbcLibrary {
    decltype(&Cbc_newModel) new_model = nullptr;
    decltype(&Cbc_deleteModel) delete_model = nullptr;
    decltype(&Cbc_setLogLevel) set_log_level = nullptr;
    decltype(&Cbc_setParameter) set_parameter = nullptr;
    decltype(&Cbc_setMaximumSeconds) set_maximum_seconds = nullptr;
    decltype(&Cbc_addCol) add_column = nullptr;
    decltype(&Cbc_addRow) add_row = nullptr;
    decltype(&Cbc_solve) solve = nullptr;
    decltype(&Cbc_isProvenInfeasible) is_proven_infeasible = nullptr;
    decltype(&Cbc_isProvenOptimal) is_proven_optimal = nullptr;
    decltype(&Cbc_numberSavedSolutions) saved_solutions = nullptr;
    decltype(&Cbc_getColSolution) solution = nullptr;
};

/// Null where the library, or a function of it, is not on this machine. Loaded once, never given back.
const CbcLibrary* cbc_library();

}  // namespace orrery::schedules
