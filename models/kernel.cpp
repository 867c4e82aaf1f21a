#include "models/kernel.hpp"

namespace orrery {

int bytes_of(Precision precision) {
    switch (precision) {
        case Precision::fp32:
        case Precision::tf32:
            return 4;
        case Precision::fp16:
        case Precision::bf16:
            return 2;
        case Precision::fp8:
            return 1;
    }
    return 4;
}

std::string_view to_string(Precision precision) {
    switch (precision) {
        case Precision::fp32:
            return "fp32";
        case Precision::tf32:
            return "tf32";
        case Precision::fp16:
            return "fp16";
        case Precision::bf16:
            return "bf16";
        case Precision::fp8:
            return "fp8";
    }
    return "";
}

}  // namespace orrery
