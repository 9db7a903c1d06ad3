// libcuda over host memory, as far as tools/gpu/driver.py asks for it: work runs at once, and the
// kernels are those of kernels.cu compiled for the host.
#include <cstdlib>
#include <cstring>

typedef unsigned long long address;
static size_t taken = 0;
static const size_t TOTAL = 1 << 30;
static int depth = 0;

extern "C" {
void anpr_letterbox_float(void*, void*, void*, int, int, int);
void anpr_rectify_float(void*, void*, void*, int, int, int);
int cuInit(unsigned) { return 0; }
int cuDeviceGet(int* gpu, int index) { return *gpu = 40 + index, 0; }
int cuDeviceGetName(char* name, int size, int gpu) { return gpu == 40 ? strncpy(name, "Fake", size), 0 : 101; }
int cuDeviceGetAttribute(int* value, int which, int) { return *value = which == 75 ? 9 : 0, 0; }
int cuDriverGetVersion(int* version) { return *version = 13020, 0; }
int cuDeviceTotalMem_v2(size_t* size, int) { return *size = TOTAL, 0; }
int cuDevicePrimaryCtxRetain(void** context, int) { return *context = (void*)&depth, 0; }
int cuCtxPushCurrent_v2(void* context) { return context == (void*)&depth ? ++depth, 0 : 201; }
int cuCtxPopCurrent_v2(void**) { return --depth < 0 ? 201 : 0; }
int cuMemGetInfo_v2(size_t* left, size_t* total) { return *left = TOTAL - taken, *total = TOTAL, depth ? 0 : 201; }
int cuModuleLoadData(void** module, const char* source) { return *module = (void*)source, strstr(source, ".version") ? 0 : 218; }
int cuModuleGetFunction(void** function, void*, const char* name) {
    *function = !strcmp(name, "anpr_letterbox_float") ? (void*)anpr_letterbox_float
                : !strcmp(name, "anpr_rectify_float") ? (void*)anpr_rectify_float : nullptr;
    return *function ? 0 : 500;
}
int cuStreamCreate(void** stream, unsigned) { return *stream = malloc(1), 0; }
int cuStreamSynchronize(void* stream) { return stream ? 0 : 400; }
int cuStreamBeginCapture_v2(void*, int) { return 900; }
int cuMemAlloc_v2(address* where, size_t size) {
    if (!depth) return 201;
    if (taken + size > TOTAL) return 2;
    size_t* block = (size_t*)malloc(size + 64);
    *block = size, taken += size, *where = (address)block + 64;
    return 0;
}
int cuMemFree_v2(address where) {
    size_t* block = (size_t*)(where - 64);
    return taken -= *block, free(block), 0;
}
int cuMemHostAlloc(void** where, size_t size, unsigned) { return *where = calloc(size, 1), 0; }
int cuMemcpyHtoDAsync_v2(address to, const void* from, size_t size, void*) { return memcpy((void*)to, from, size), 0; }
int cuMemcpyDtoHAsync_v2(void* to, address from, size_t size, void*) { return memcpy(to, (void*)from, size), 0; }
int cuMemcpyDtoDAsync_v2(address to, address from, size_t size, void*) { return memcpy((void*)to, (void*)from, size), 0; }
int cuLaunchKernel(void* function, unsigned x, unsigned y, unsigned z, unsigned across, unsigned down, unsigned deep,
                   unsigned, void*, void** values, void**) {
    int batch = *(int*)values[3], width = *(int*)values[4], height = *(int*)values[5];
    if (x * across < (unsigned)width || y * down < (unsigned)height || z * deep != (unsigned)batch) return 1;
    ((void (*)(void*, void*, void*, int, int, int))function)(
        *(void**)values[0], *(void**)values[1], *(void**)values[2], batch, width, height);
    return 0;
}
}
