#include <cstdio>

int main() {
    std::puts("orrery");
    return 0;
}
