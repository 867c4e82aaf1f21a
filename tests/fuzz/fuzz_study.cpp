// Any bytes as a study's file: read, its first and last points made, or refused with an InputError that names
// a place. Nothing else.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/error.hpp"
#include "study/sweep/study_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    try {
        const orrery::study::Study study = orrery::study::parse_study(text, "fuzz.yaml");
        if (study.space.size() == 0) return 0;
        orrery::study::document_of(study, 0);
        orrery::study::document_of(study, study.space.size() - 1);
    } catch (const orrery::InputError&) {
    }
    return 0;
}
