package copies

// Claim locks the folder of a job, as the process that works on it does.
var Claim = claim

// TwoCharacters says whether the halves of a page show two characters.
var TwoCharacters = twoCharacters

// Crowded says whether a folder is full, and by whom.
var Crowded = crowded
