// Package oracle compares the archive with tshark: it holds tests and what they
// need, nothing that another package imports.
//
// tshark says what is in each MTS-APDU and each bind of the captures; the
// commands, as built, archive the same captures; and what a query returns must
// equal what tshark says, field by field. Where tshark is known to be wrong, the
// delivered octets and the standard decide, and accepted.txt has a line that
// says so. A line that no longer applies fails the tests.
//
// tshark reads one connection at a time, because its hand-over between RTSE and
// session mixes up interleaved ones. MTS-APDUs that it cannot follow through
// the session (X.410 mode, resumed activities) are given to its X.411 dissector
// as octets, wrapped in a CMS ContentInfo, which is a file type that tshark
// opens and whose content type it can be told to be an MTS-APDU.
package oracle
