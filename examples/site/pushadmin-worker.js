// Put here the service worker that the App's page offers as a file.
