// static. Conversions of fixed times, which the C library does from files or rules.
#include "check.h"
int main(void) {
    time_t t = 951782400;
    char text[100];
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %j %a", &tm);
    printf("%s\n", text);
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
    for (int i = 0; i < 3; i++, t += 86400 * 90) {
        localtime_r(&t, &tm);
        strftime(text, sizeof text, "%c %Z %z", &tm);
        printf("%s dst %d back %d\n", text, tm.tm_isdst, mktime(&tm) == t);
    }
    return 0;
}
