/* Preloaded into a peer that refuses loopback interfaces: shows it `lo` as any other. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <ifaddrs.h>
#include <net/if.h>

int getifaddrs(struct ifaddrs **list) {
    int (*real)(struct ifaddrs **) = (int (*)(struct ifaddrs **))dlsym(RTLD_NEXT, "getifaddrs");
    int result = real(list);
    if (result == 0)
        for (struct ifaddrs *each = *list; each; each = each->ifa_next)
            each->ifa_flags &= ~(unsigned)IFF_LOOPBACK;
    return result;
}
