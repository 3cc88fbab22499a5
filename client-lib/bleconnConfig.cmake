# find_package(bleconn): the shared library and its header as bleconn::bleconn; it asks for no other package.
include("${CMAKE_CURRENT_LIST_DIR}/bleconnTargets.cmake")
