#include "cli/command.hpp"

int main(int argc, char** argv) {
    return orrery::cli::run(argc, argv);
}
