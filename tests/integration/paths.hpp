// Where programs and files of this build lie. They are compiled into one small file that CMake writes: so
// nothing else depends on the folder, and a compiler cache finds it again for another clone.
#pragma once

namespace bleconnd::integration::paths {

extern const char* const bus_policy;  // the D-Bus policy that is installed
extern const char* const scripted_bluez;
extern const char* const bleconnd;
extern const char* const bleconnctl;
extern const char* const completion;
extern const char* const readme;
extern const char* const open_metrics;     // the program that reads metrics
extern const char* const describe_schema;  // the program that holds answers against ...
extern const char* const schema;           // ... the schema of Describe
extern const char* const wall_clock;       // a library that lets a process see another time
extern const char* const client_soak;
extern const char* const examples;  // a folder

}  // namespace bleconnd::integration::paths
